-- Lists every tenant starts with and may then change. The application knows these rows by their code, so the code is
-- the key: it is the same in every tenant, which a number from an identity column would not be.

-- What a customer is granted, not what a supplier grants.
CREATE TABLE payment_terms (
    code             text          NOT NULL,
    name             text          NOT NULL,
    due_days         integer       NOT NULL,
    discount_days    integer       NOT NULL DEFAULT 0,
    discount_percent numeric(5, 2) NOT NULL DEFAULT 0,

    CONSTRAINT payment_terms_pkey PRIMARY KEY (code),
    CONSTRAINT payment_terms_code_check CHECK (code ~ '^[a-z][a-z0-9_]{0,31}$'),
    CONSTRAINT payment_terms_name_check CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT payment_terms_due_days_check CHECK (due_days BETWEEN 0 AND 365),
    CONSTRAINT payment_terms_discount_days_check CHECK (discount_days BETWEEN 0 AND due_days),
    CONSTRAINT payment_terms_discount_percent_check CHECK (discount_percent BETWEEN 0 AND 100)
);

INSERT INTO payment_terms (code, name, due_days, discount_days, discount_percent)
VALUES
    ('prepaid', 'Payment in advance', 0, 0, 0),
    ('net_14', '14 days net', 14, 0, 0),
    ('net_30', '30 days net', 30, 0, 0),
    ('net_60', '60 days net', 60, 0, 0),
    ('net_30_2_10', '2 % within 10 days, 30 days net', 30, 10, 2);

CREATE TABLE carriers (
    code         text    NOT NULL,
    name         text    NOT NULL,
    -- With {number} where the shipment's number goes; null where the carrier has no such page.
    tracking_url text,
    is_active    boolean NOT NULL DEFAULT true,

    CONSTRAINT carriers_pkey PRIMARY KEY (code),
    CONSTRAINT carriers_code_check CHECK (code ~ '^[a-z][a-z0-9_]{0,31}$'),
    CONSTRAINT carriers_name_check CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT carriers_tracking_url_check CHECK (tracking_url LIKE 'https://%{number}%')
);

INSERT INTO carriers (code, name)
VALUES
    ('pickup', 'Collected by the customer'),
    ('own_fleet', 'Our own vehicles'),
    ('forwarder', 'Freight forwarder');
