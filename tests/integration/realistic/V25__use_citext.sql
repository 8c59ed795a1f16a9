-- needs citext
ALTER TABLE prices ADD COLUMN label citext UNIQUE;
UPDATE prices SET label = sku::citext;
