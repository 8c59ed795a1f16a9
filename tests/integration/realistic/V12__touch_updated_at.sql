CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    new.changes := coalesce(old.changes, 0) + 1;
    RETURN new;
END $$;
ALTER TABLE customers ADD COLUMN changes int NOT NULL DEFAULT 0;
CREATE TRIGGER customers_touch BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION touch();
UPDATE customers SET name = name || ' ' WHERE id = 1;
