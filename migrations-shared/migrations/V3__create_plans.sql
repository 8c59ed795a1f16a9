CREATE TABLE plans (
    code          text           NOT NULL,
    name          text           NOT NULL,
    monthly_price numeric(19, 4) NOT NULL,
    currency_code text           NOT NULL,
    -- Null: as many as the tenant likes.
    max_members   integer,
    -- A plan that is no longer sold stays for the tenants that have it.
    is_offered    boolean        NOT NULL DEFAULT true,

    CONSTRAINT plans_pkey PRIMARY KEY (code),
    CONSTRAINT plans_currency_code_fkey FOREIGN KEY (currency_code) REFERENCES currencies (code) ON DELETE RESTRICT,
    CONSTRAINT plans_code_check CHECK (code ~ '^[a-z][a-z0-9_]{0,31}$'),
    CONSTRAINT plans_name_check CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT plans_monthly_price_check CHECK (monthly_price >= 0),
    CONSTRAINT plans_max_members_check CHECK (max_members > 0)
);

CREATE INDEX plans_currency_code_idx ON plans (currency_code);

INSERT INTO plans (code, name, monthly_price, currency_code, max_members)
VALUES
    ('trial', 'Trial', 0, 'EUR', 3),
    ('starter', 'Starter', 49, 'EUR', 5),
    ('business', 'Business', 199, 'EUR', 50),
    ('enterprise', 'Enterprise', 799, 'EUR', NULL);
