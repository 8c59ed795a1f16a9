CREATE TABLE sales_orders (
    id            bigint      GENERATED ALWAYS AS IDENTITY,
    number        text        NOT NULL,
    customer_id   bigint      NOT NULL,
    carrier_code  text,
    status        text        NOT NULL DEFAULT 'draft',
    currency_code text        NOT NULL,
    minor_units   smallint    NOT NULL,
    ordered_on    date        NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT sales_orders_pkey PRIMARY KEY (id),
    CONSTRAINT sales_orders_number_key UNIQUE (number),
    CONSTRAINT sales_orders_customer_id_fkey
        FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE RESTRICT,
    CONSTRAINT sales_orders_carrier_code_fkey
        FOREIGN KEY (carrier_code) REFERENCES carriers (code) ON UPDATE CASCADE ON DELETE RESTRICT,
    CONSTRAINT sales_orders_number_check CHECK (char_length(number) BETWEEN 1 AND 32),
    CONSTRAINT sales_orders_status_check CHECK (status IN ('draft', 'confirmed', 'shipped', 'cancelled')),
    CONSTRAINT sales_orders_currency_code_check CHECK (currency_code ~ '^[A-Z]{3}$'),
    CONSTRAINT sales_orders_minor_units_check CHECK (minor_units BETWEEN 0 AND 4),
    CONSTRAINT sales_orders_carrier_code_check CHECK (status <> 'shipped' OR carrier_code IS NOT NULL)
);

CREATE INDEX sales_orders_customer_id_ordered_on_idx ON sales_orders (customer_id, ordered_on);

CREATE INDEX sales_orders_carrier_code_idx ON sales_orders (carrier_code);

-- Price and tax rate are copies: what was agreed does not change when the product does.
CREATE TABLE sales_order_lines (
    sales_order_id   bigint         NOT NULL,
    line_number      smallint       NOT NULL,
    product_id       bigint         NOT NULL,
    quantity         numeric(14, 3) NOT NULL,
    unit_price       numeric(19, 4) NOT NULL,
    discount_percent numeric(5, 2)  NOT NULL DEFAULT 0,
    tax_rate         numeric(5, 2)  NOT NULL,

    CONSTRAINT sales_order_lines_pkey PRIMARY KEY (sales_order_id, line_number),
    CONSTRAINT sales_order_lines_sales_order_id_fkey
        FOREIGN KEY (sales_order_id) REFERENCES sales_orders (id) ON DELETE CASCADE,
    CONSTRAINT sales_order_lines_product_id_fkey
        FOREIGN KEY (product_id) REFERENCES products (id) ON DELETE RESTRICT,
    CONSTRAINT sales_order_lines_line_number_check CHECK (line_number > 0),
    CONSTRAINT sales_order_lines_quantity_check CHECK (quantity > 0),
    CONSTRAINT sales_order_lines_unit_price_check CHECK (unit_price >= 0),
    CONSTRAINT sales_order_lines_discount_percent_check CHECK (discount_percent BETWEEN 0 AND 100),
    CONSTRAINT sales_order_lines_tax_rate_check CHECK (tax_rate BETWEEN 0 AND 100)
);

-- What an order comes to. A line is rounded, since the customer can check it; tax is worked out once a rate on the sum
-- of its lines, as EN 16931 has it. 0.01 times, not divided by 100: a product is exact, a quotient is rounded first.
CREATE VIEW sales_order_totals AS
WITH net_by_rate AS (
    SELECT
        sales_order_lines.sales_order_id,
        sales_order_lines.tax_rate,
        sales_orders.minor_units,
        sum(
            round(
                sales_order_lines.quantity
                    * sales_order_lines.unit_price
                    * (100 - sales_order_lines.discount_percent)
                    * 0.01,
                sales_orders.minor_units
            )
        ) AS net_amount
    FROM sales_order_lines
    JOIN sales_orders ON sales_orders.id = sales_order_lines.sales_order_id
    GROUP BY sales_order_lines.sales_order_id, sales_order_lines.tax_rate, sales_orders.minor_units
),
taxed AS (
    SELECT
        sales_order_id,
        net_amount,
        round(net_amount * tax_rate * 0.01, minor_units) AS tax_amount
    FROM net_by_rate
)
SELECT
    sales_orders.id AS sales_order_id,
    sales_orders.currency_code,
    coalesce(sum(taxed.net_amount), 0) AS net_amount,
    coalesce(sum(taxed.tax_amount), 0) AS tax_amount,
    coalesce(sum(taxed.net_amount + taxed.tax_amount), 0) AS total_amount
FROM sales_orders
LEFT JOIN taxed ON taxed.sales_order_id = sales_orders.id
GROUP BY sales_orders.id;
