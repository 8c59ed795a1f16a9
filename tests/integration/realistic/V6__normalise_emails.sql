UPDATE customers SET email = lower(email) WHERE email IS NOT NULL;
ALTER TABLE customers ADD CONSTRAINT customers_email_lower CHECK (email = lower(email));
