CREATE COLLATION IF NOT EXISTS by_bytes FROM "C";
ALTER TABLE releases ALTER COLUMN notes TYPE text COLLATE by_bytes;
CREATE INDEX releases_notes ON releases (notes COLLATE by_bytes text_pattern_ops);
