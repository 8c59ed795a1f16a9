ALTER TYPE money_amount ADD ATTRIBUTE rounded boolean CASCADE;
