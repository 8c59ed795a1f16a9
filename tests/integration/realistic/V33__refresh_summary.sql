INSERT INTO customers (name) VALUES ('Edsger');
INSERT INTO orders (customer_id, total) SELECT id, 99 FROM customers WHERE name = 'Edsger';
REFRESH MATERIALIZED VIEW revenue_summary;
