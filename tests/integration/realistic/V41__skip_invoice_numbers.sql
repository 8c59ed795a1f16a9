SELECT setval('invoice_numbers', 5000);
SELECT setval(pg_get_serial_sequence('orders', 'id'), 500);
ALTER TABLE customers ALTER COLUMN id SET START WITH 100 RESTART;
INSERT INTO invoices (order_id) SELECT max(id) FROM orders;
