-- currency_code is checked for its form here and in every table but price_lists; V8 says why it is no foreign key.

CREATE TABLE suppliers (
    id            bigint      GENERATED ALWAYS AS IDENTITY,
    name          text        NOT NULL,
    vat_id        text,
    email         text,
    country_code  text        NOT NULL,
    currency_code text        NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT suppliers_pkey PRIMARY KEY (id),
    CONSTRAINT suppliers_name_check CHECK (char_length(name) BETWEEN 1 AND 200),
    CONSTRAINT suppliers_vat_id_check CHECK (vat_id ~ '^[A-Z]{2}[0-9A-Z]{2,13}$'),
    CONSTRAINT suppliers_email_check CHECK (email ~ '^[^@[:space:]]+@[^@[:space:]]+$' AND char_length(email) <= 254),
    CONSTRAINT suppliers_country_code_check CHECK (country_code ~ '^[A-Z]{2}$'),
    CONSTRAINT suppliers_currency_code_check CHECK (currency_code ~ '^[A-Z]{3}$')
);

CREATE TABLE customers (
    id                 bigint         GENERATED ALWAYS AS IDENTITY,
    name               text           NOT NULL,
    vat_id             text,
    email              text,
    country_code       text           NOT NULL,
    currency_code      text           NOT NULL,
    payment_terms_code text           NOT NULL DEFAULT 'net_30',
    -- In currency_code. Null: no limit was agreed.
    credit_limit       numeric(19, 4),
    created_at         timestamptz    NOT NULL DEFAULT now(),

    CONSTRAINT customers_pkey PRIMARY KEY (id),
    CONSTRAINT customers_payment_terms_code_fkey
        FOREIGN KEY (payment_terms_code) REFERENCES payment_terms (code) ON UPDATE CASCADE ON DELETE RESTRICT,
    CONSTRAINT customers_name_check CHECK (char_length(name) BETWEEN 1 AND 200),
    CONSTRAINT customers_vat_id_check CHECK (vat_id ~ '^[A-Z]{2}[0-9A-Z]{2,13}$'),
    CONSTRAINT customers_email_check CHECK (email ~ '^[^@[:space:]]+@[^@[:space:]]+$' AND char_length(email) <= 254),
    CONSTRAINT customers_country_code_check CHECK (country_code ~ '^[A-Z]{2}$'),
    CONSTRAINT customers_currency_code_check CHECK (currency_code ~ '^[A-Z]{3}$'),
    CONSTRAINT customers_credit_limit_check CHECK (credit_limit >= 0)
);

CREATE INDEX customers_payment_terms_code_idx ON customers (payment_terms_code);
