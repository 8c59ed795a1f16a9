CREATE TEMP TABLE staging (sku text, amount numeric) ON COMMIT DROP;
INSERT INTO staging VALUES ('tea', 3.60), ('cocoa', 2.80);
CREATE INDEX staging_sku ON staging (sku);
ALTER TABLE staging ADD COLUMN is_new boolean;
UPDATE staging SET is_new = NOT EXISTS (SELECT FROM prices WHERE prices.sku = staging.sku);
INSERT INTO prices (sku, price) SELECT sku, ROW(amount, 'EUR', NULL)::money_amount FROM staging WHERE is_new;
UPDATE prices SET price.amount = s.amount FROM staging s WHERE s.sku = prices.sku AND NOT s.is_new;
DROP TABLE staging;
