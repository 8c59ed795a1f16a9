ALTER TABLE orders
    ADD COLUMN tax numeric(12, 2) GENERATED ALWAYS AS (total * 0.19) STORED,
    ADD COLUMN gross numeric(12, 2) GENERATED ALWAYS AS (total * 1.19) STORED;
