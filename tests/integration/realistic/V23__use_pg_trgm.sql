-- needs pg_trgm
CREATE INDEX customers_name_trgm ON customers USING gin (name gin_trgm_ops);
ALTER TABLE customers ADD COLUMN alike real;
UPDATE customers SET alike = similarity(name, 'Ada');
