-- now() is the same for all rows of a statement, so the default is stored once and no table is rewritten. Rows from
-- before carry the moment of this migration.
ALTER TABLE suppliers ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();

ALTER TABLE customers ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();

ALTER TABLE products ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();

ALTER TABLE purchase_orders ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();

ALTER TABLE sales_orders ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();

-- Reads NEW and nothing else, so no search path can lead it astray and none is set.
CREATE FUNCTION touch_updated_at() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

-- WHEN: an UPDATE that changes nothing is not an update.
CREATE TRIGGER suppliers_touch_updated_at
    BEFORE UPDATE ON suppliers
    FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*)
    EXECUTE FUNCTION touch_updated_at();

CREATE TRIGGER customers_touch_updated_at
    BEFORE UPDATE ON customers
    FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*)
    EXECUTE FUNCTION touch_updated_at();

CREATE TRIGGER products_touch_updated_at
    BEFORE UPDATE ON products
    FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*)
    EXECUTE FUNCTION touch_updated_at();

CREATE TRIGGER purchase_orders_touch_updated_at
    BEFORE UPDATE ON purchase_orders
    FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*)
    EXECUTE FUNCTION touch_updated_at();

CREATE TRIGGER sales_orders_touch_updated_at
    BEFORE UPDATE ON sales_orders
    FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*)
    EXECUTE FUNCTION touch_updated_at();
