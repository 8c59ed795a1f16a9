CREATE VIEW revenue AS
SELECT c.name, sum(o.total) AS total, max(p.price) AS best_plan
FROM customers c JOIN orders o ON o.customer_id = c.id CROSS JOIN plans p
GROUP BY c.name;
COMMENT ON VIEW revenue IS 'by customer';
COMMENT ON COLUMN revenue.total IS 'net';
