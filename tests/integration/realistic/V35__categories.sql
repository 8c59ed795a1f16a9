CREATE TABLE categories (
    id int PRIMARY KEY,
    parent_id int REFERENCES categories DEFERRABLE INITIALLY DEFERRED,
    name text NOT NULL
);
INSERT INTO categories VALUES (3, 2, 'pu-erh'), (2, 1, 'tea'), (1, NULL, 'drinks'), (4, 1, 'coffee');
SET CONSTRAINTS ALL IMMEDIATE;
