DO $$
DECLARE customer record;
BEGIN
    CREATE TEMP TABLE ranks (id bigint, place bigint) ON COMMIT DROP;
    FOR customer IN SELECT id, rank() OVER (ORDER BY name) AS place FROM customers LOOP
        INSERT INTO ranks VALUES (customer.id, customer.place);
    END LOOP;
END $$;
DELETE FROM ranks WHERE place > 3;
ALTER TABLE customers ADD COLUMN place bigint;
UPDATE customers SET place = ranks.place FROM ranks WHERE ranks.id = customers.id;
