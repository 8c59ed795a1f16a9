CREATE OR REPLACE VIEW revenue AS
SELECT c.name, sum(o.total) AS total, max(p.price) AS best_plan, count(*) AS orders
FROM customers c JOIN orders o ON o.customer_id = c.id CROSS JOIN plans p
GROUP BY c.name;
