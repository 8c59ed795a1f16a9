ALTER TABLE categories ADD COLUMN path text;
WITH RECURSIVE tree AS (
    SELECT id, name AS path FROM categories WHERE parent_id IS NULL
    UNION ALL
    SELECT c.id, tree.path || '/' || c.name FROM categories c JOIN tree ON tree.id = c.parent_id
)
UPDATE categories SET path = tree.path FROM tree WHERE tree.id = categories.id;
ALTER TABLE categories ALTER COLUMN path SET NOT NULL;
