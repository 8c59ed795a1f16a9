CREATE SEQUENCE invoice_numbers AS int START 1000 INCREMENT 5 CACHE 1;
CREATE TABLE invoices (number int PRIMARY KEY DEFAULT nextval('invoice_numbers'), order_id int REFERENCES orders);
ALTER SEQUENCE invoice_numbers OWNED BY invoices.number;
INSERT INTO invoices (order_id) SELECT id FROM orders ORDER BY id LIMIT 3;
