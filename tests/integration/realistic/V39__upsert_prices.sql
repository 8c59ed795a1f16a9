INSERT INTO prices (sku, price) VALUES ('tea', ROW(3.70, 'EUR', true)), ('milk', ROW(1.10, 'EUR', true))
ON CONFLICT (sku) DO UPDATE SET price = excluded.price WHERE prices.price IS DISTINCT FROM excluded.price;
