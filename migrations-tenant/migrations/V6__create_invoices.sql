-- The amounts are a copy of the order's totals on the day of issue: an invoice that was sent does not change.
CREATE TABLE invoices (
    id             bigint         GENERATED ALWAYS AS IDENTITY,
    number         text           NOT NULL,
    sales_order_id bigint         NOT NULL,
    currency_code  text           NOT NULL,
    minor_units    smallint       NOT NULL,
    net_amount     numeric(19, 4) NOT NULL,
    tax_amount     numeric(19, 4) NOT NULL,
    total_amount   numeric(19, 4) NOT NULL GENERATED ALWAYS AS (net_amount + tax_amount) STORED,
    issued_on      date           NOT NULL,
    due_on         date           NOT NULL,
    paid_on        date,
    created_at     timestamptz    NOT NULL DEFAULT now(),

    CONSTRAINT invoices_pkey PRIMARY KEY (id),
    CONSTRAINT invoices_number_key UNIQUE (number),
    CONSTRAINT invoices_sales_order_id_fkey
        FOREIGN KEY (sales_order_id) REFERENCES sales_orders (id) ON DELETE RESTRICT,
    CONSTRAINT invoices_number_check CHECK (char_length(number) BETWEEN 1 AND 32),
    CONSTRAINT invoices_currency_code_check CHECK (currency_code ~ '^[A-Z]{3}$'),
    CONSTRAINT invoices_minor_units_check CHECK (minor_units BETWEEN 0 AND 4),
    -- Nobody can pay a fraction of the smallest coin.
    CONSTRAINT invoices_net_amount_check CHECK (net_amount >= 0 AND net_amount = round(net_amount, minor_units)),
    CONSTRAINT invoices_tax_amount_check CHECK (tax_amount >= 0 AND tax_amount = round(tax_amount, minor_units)),
    CONSTRAINT invoices_due_on_check CHECK (due_on >= issued_on),
    CONSTRAINT invoices_paid_on_check CHECK (paid_on >= issued_on)
);

CREATE INDEX invoices_sales_order_id_idx ON invoices (sales_order_id);
