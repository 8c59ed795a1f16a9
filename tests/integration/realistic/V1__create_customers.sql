CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    email text,
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO customers (name, email) VALUES ('Ada Lovelace', 'ADA@example.com'), ('Grace Hopper', 'grace@example.com'), ('Alan', NULL);
