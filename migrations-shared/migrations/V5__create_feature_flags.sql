CREATE TABLE feature_flags (
    code        text        NOT NULL,
    description text        NOT NULL,
    is_enabled  boolean     NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT feature_flags_pkey PRIMARY KEY (code),
    CONSTRAINT feature_flags_code_check CHECK (code ~ '^[a-z][a-z0-9_]{0,62}$'),
    CONSTRAINT feature_flags_description_check CHECK (char_length(description) BETWEEN 1 AND 500)
);

-- What one tenant sees when that is not what everybody sees.
CREATE TABLE feature_flag_overrides (
    feature_flag_code text        NOT NULL,
    tenant_schema     text        NOT NULL,
    is_enabled        boolean     NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),

    -- The tenant first: its flags are read on every request, a flag's tenants only when the flag goes away.
    CONSTRAINT feature_flag_overrides_pkey PRIMARY KEY (tenant_schema, feature_flag_code),
    CONSTRAINT feature_flag_overrides_feature_flag_code_fkey
        FOREIGN KEY (feature_flag_code) REFERENCES feature_flags (code) ON UPDATE CASCADE ON DELETE CASCADE,
    CONSTRAINT feature_flag_overrides_tenant_schema_fkey
        FOREIGN KEY (tenant_schema) REFERENCES subscriptions (tenant_schema) ON UPDATE CASCADE ON DELETE CASCADE
);

CREATE INDEX feature_flag_overrides_feature_flag_code_idx ON feature_flag_overrides (feature_flag_code);

INSERT INTO feature_flags (code, description, is_enabled)
VALUES
    ('price_lists', 'Prices a customer, a currency and a quantity', true),
    ('carrier_tracking', 'Asks the carrier where a shipment is', false),
    ('electronic_invoices', 'Sends invoices as EN 16931 documents', false);
