INSERT INTO orders (customer_id, total, placed_on)
SELECT c.id, n * 10, DATE '2024-01-01' + n
FROM customers c CROSS JOIN generate_series(1, 4) AS n
ORDER BY c.id, n;
