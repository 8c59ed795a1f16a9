CREATE TABLE products (
    id          bigint         GENERATED ALWAYS AS IDENTITY,
    sku         text           NOT NULL,
    name        text           NOT NULL,
    -- What one of it is, and what every quantity of it counts.
    unit        text           NOT NULL DEFAULT 'piece',
    tax_rate    numeric(5, 2)  NOT NULL,
    weight_kg   numeric(10, 3),
    -- Where it is reordered; null when nobody has decided.
    supplier_id bigint,
    is_active   boolean        NOT NULL DEFAULT true,
    created_at  timestamptz    NOT NULL DEFAULT now(),

    CONSTRAINT products_pkey PRIMARY KEY (id),
    CONSTRAINT products_sku_key UNIQUE (sku),
    CONSTRAINT products_supplier_id_fkey FOREIGN KEY (supplier_id) REFERENCES suppliers (id) ON DELETE SET NULL,
    CONSTRAINT products_sku_check CHECK (char_length(sku) BETWEEN 1 AND 64),
    CONSTRAINT products_name_check CHECK (char_length(name) BETWEEN 1 AND 200),
    CONSTRAINT products_unit_check CHECK (unit IN ('piece', 'box', 'pallet', 'kilogram', 'metre', 'litre')),
    CONSTRAINT products_tax_rate_check CHECK (tax_rate BETWEEN 0 AND 100),
    CONSTRAINT products_weight_kg_check CHECK (weight_kg > 0)
);

CREATE INDEX products_supplier_id_idx ON products (supplier_id);
