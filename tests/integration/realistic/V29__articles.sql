CREATE TABLE articles (
    id bigint PRIMARY KEY,
    title text NOT NULL,
    body text NOT NULL DEFAULT '',
    words tsvector
);
CREATE FUNCTION articles_index() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    new.words := to_tsvector('english', new.title || ' ' || new.body);
    RETURN new;
END $$;
CREATE TRIGGER articles_index BEFORE INSERT OR UPDATE OF title, body ON articles
    FOR EACH ROW EXECUTE FUNCTION articles_index();
CREATE INDEX articles_words ON articles USING gin (words);
INSERT INTO articles (id, title) VALUES (1, 'Walking dogs'), (2, 'The dogs that walk');
