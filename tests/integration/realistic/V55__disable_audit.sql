ALTER TABLE orders DISABLE TRIGGER orders_audit;
ALTER TRIGGER orders_audit ON orders RENAME TO orders_audited;
COMMENT ON TRIGGER orders_audited ON orders IS 'off until there is room';
