CREATE TABLE plans (code text PRIMARY KEY, price numeric NOT NULL);
