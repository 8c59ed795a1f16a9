-- currency_code is the only foreign key into a shared table. Creating such a key locks the shared table until the
-- transaction ends, so tenants that are migrated at the same time queue behind each other, and deleting a shared row
-- then looks into every tenant's schema. It stands where rows are few and seldom written, since every insert also
-- locks the shared row for a moment; orders and invoices check the code's form only and take it from a price list.
CREATE TABLE price_lists (
    id            bigint      GENERATED ALWAYS AS IDENTITY,
    name          text        NOT NULL,
    currency_code text        NOT NULL,
    valid_from    date        NOT NULL DEFAULT CURRENT_DATE,
    valid_until   date,
    created_at    timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT price_lists_pkey PRIMARY KEY (id),
    -- The currency first, so that the foreign key needs no index of its own.
    CONSTRAINT price_lists_currency_code_name_key UNIQUE (currency_code, name),
    CONSTRAINT price_lists_currency_code_fkey
        FOREIGN KEY (currency_code) REFERENCES currencies (code) ON DELETE RESTRICT,
    CONSTRAINT price_lists_name_check CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT price_lists_valid_until_check CHECK (valid_until >= valid_from)
);

ALTER TABLE customers
    ADD COLUMN price_list_id bigint,
    ADD CONSTRAINT customers_price_list_id_fkey
        FOREIGN KEY (price_list_id) REFERENCES price_lists (id) ON DELETE SET NULL;

CREATE INDEX customers_price_list_id_idx ON customers (price_list_id);
