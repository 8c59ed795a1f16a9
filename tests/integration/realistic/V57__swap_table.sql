CREATE TABLE prices_new (sku text PRIMARY KEY, amount numeric NOT NULL, currency char(3) NOT NULL DEFAULT 'EUR');
INSERT INTO prices_new SELECT sku, (price).amount FROM prices ORDER BY sku;
DROP FUNCTION display_price(prices);
DROP TABLE IF EXISTS prices, never_made CASCADE;
DROP TYPE money_amount;
ALTER TABLE prices_new RENAME TO prices;
ALTER TABLE prices RENAME CONSTRAINT prices_new_pkey TO prices_pkey;
