CREATE DOMAIN email_address AS text CONSTRAINT has_at CHECK (value LIKE '%@%');
ALTER TABLE customers ALTER COLUMN email TYPE email_address;
COMMENT ON CONSTRAINT has_at ON DOMAIN email_address IS 'no more than that can be known';
