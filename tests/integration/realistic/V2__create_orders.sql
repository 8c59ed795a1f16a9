CREATE TABLE orders (
    id serial PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers ON DELETE CASCADE,
    total numeric(12, 2) NOT NULL DEFAULT 0 CHECK (total >= 0),
    placed_on date NOT NULL DEFAULT DATE '2024-01-01'
);
CREATE INDEX orders_customer ON orders (customer_id);
