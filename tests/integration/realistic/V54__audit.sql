CREATE TABLE audit (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, relation text, operation text, keys int);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO %I.audit (relation, operation, keys) SELECT $1, $2, count(*) FROM fresh', tg_table_schema)
        USING tg_table_name, tg_op;
    RETURN NULL;
END $$;
CREATE TRIGGER orders_audit AFTER INSERT ON orders REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION audit();
INSERT INTO orders (customer_id, total) SELECT id, 5 FROM customers WHERE name LIKE 'A%' ORDER BY id;
