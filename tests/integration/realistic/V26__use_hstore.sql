-- needs hstore
ALTER TABLE prices ADD COLUMN attributes hstore NOT NULL DEFAULT '';
UPDATE prices SET attributes = hstore('origin', 'unknown') WHERE sku = 'tea';
CREATE INDEX ON prices USING gist (attributes);
