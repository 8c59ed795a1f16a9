CREATE TABLE purchase_orders (
    id            bigint      GENERATED ALWAYS AS IDENTITY,
    number        text        NOT NULL,
    supplier_id   bigint      NOT NULL,
    status        text        NOT NULL DEFAULT 'draft',
    currency_code text        NOT NULL,
    -- The currency's, written down with the order: rounding needs no shared table, and stays as it was agreed.
    minor_units   smallint    NOT NULL,
    ordered_on    date        NOT NULL,
    expected_on   date,
    created_at    timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT purchase_orders_pkey PRIMARY KEY (id),
    CONSTRAINT purchase_orders_number_key UNIQUE (number),
    CONSTRAINT purchase_orders_supplier_id_fkey
        FOREIGN KEY (supplier_id) REFERENCES suppliers (id) ON DELETE RESTRICT,
    CONSTRAINT purchase_orders_number_check CHECK (char_length(number) BETWEEN 1 AND 32),
    CONSTRAINT purchase_orders_status_check CHECK (status IN ('draft', 'ordered', 'received', 'cancelled')),
    CONSTRAINT purchase_orders_currency_code_check CHECK (currency_code ~ '^[A-Z]{3}$'),
    CONSTRAINT purchase_orders_minor_units_check CHECK (minor_units BETWEEN 0 AND 4),
    CONSTRAINT purchase_orders_expected_on_check CHECK (expected_on >= ordered_on)
);

-- The date as well: a supplier's page lists its orders, the newest first.
CREATE INDEX purchase_orders_supplier_id_ordered_on_idx ON purchase_orders (supplier_id, ordered_on);

CREATE TABLE purchase_order_lines (
    purchase_order_id bigint         NOT NULL,
    line_number       smallint       NOT NULL,
    product_id        bigint         NOT NULL,
    quantity          numeric(14, 3) NOT NULL,
    unit_price        numeric(19, 4) NOT NULL,

    CONSTRAINT purchase_order_lines_pkey PRIMARY KEY (purchase_order_id, line_number),
    CONSTRAINT purchase_order_lines_purchase_order_id_fkey
        FOREIGN KEY (purchase_order_id) REFERENCES purchase_orders (id) ON DELETE CASCADE,
    CONSTRAINT purchase_order_lines_product_id_fkey
        FOREIGN KEY (product_id) REFERENCES products (id) ON DELETE RESTRICT,
    CONSTRAINT purchase_order_lines_line_number_check CHECK (line_number > 0),
    CONSTRAINT purchase_order_lines_quantity_check CHECK (quantity > 0),
    CONSTRAINT purchase_order_lines_unit_price_check CHECK (unit_price >= 0)
);
