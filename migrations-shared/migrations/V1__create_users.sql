CREATE TABLE users (
    id         bigint      GENERATED ALWAYS AS IDENTITY,
    email      text        NOT NULL,
    full_name  text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_email_key UNIQUE (email),
    -- People type their address in any case and must not end up with two accounts, so it is kept in lower case only.
    CONSTRAINT users_email_check
        CHECK (email = lower(email) AND email ~ '^[^@[:space:]]+@[^@[:space:]]+$' AND char_length(email) <= 254),
    CONSTRAINT users_full_name_check CHECK (char_length(full_name) BETWEEN 1 AND 200)
);
