-- needs pgcrypto
ALTER TABLE customers ADD COLUMN fingerprint text;
UPDATE customers SET fingerprint = encode(digest(name, 'sha256'), 'hex');
ALTER TABLE customers ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid();
