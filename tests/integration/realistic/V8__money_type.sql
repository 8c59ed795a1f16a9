CREATE TYPE money_amount AS (amount numeric(12, 2), currency char(3));
CREATE TABLE prices (sku text PRIMARY KEY, price money_amount NOT NULL, plan text REFERENCES plans (code));
INSERT INTO prices VALUES ('tea', ROW(3.50, 'EUR'), 'free'), ('coffee', ROW(4.20, 'EUR'), 'gold');
