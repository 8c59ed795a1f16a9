UPDATE customers SET name = trim(name);
ALTER TABLE customers ADD CHECK (name = trim(name)) NOT VALID;
ALTER TABLE customers VALIDATE CONSTRAINT customers_name_check;
