CREATE TABLE orders_archive (LIKE orders INCLUDING DEFAULTS INCLUDING COMMENTS);
WITH moved AS (DELETE FROM orders WHERE total = 10 RETURNING id, customer_id, total, placed_on, status, tax, gross)
INSERT INTO orders_archive SELECT * FROM moved;
