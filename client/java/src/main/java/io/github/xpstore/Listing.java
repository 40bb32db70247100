package io.github.xpstore;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * A list that the server gives in pages, asked for as they are needed. Each iteration begins anew.
 *
 * @param <T> what is listed
 */
public final class Listing<T> implements Iterable<T> {
    /** One page; a token that is empty means that it was the last, however short a page is. */
    record Page<T>(List<T> items, String nextToken) {}

    private final BiFunction<String, Integer, Page<T>> pages;
    private final int pageSize;

    /**
     * @param pages the page of a token and a size; the first page's token is empty
     */
    Listing(BiFunction<String, Integer, Page<T>> pages) {
        this(pages, 0);
    }

    private Listing(BiFunction<String, Integer, Page<T>> pages, int pageSize) {
        this.pages = pages;
        this.pageSize = pageSize;
    }

    /** The same list by pages of at most so many items; 0: as many as the server thinks fit. */
    public Listing<T> withPageSize(int size) {
        return new Listing<>(pages, size);
    }

    static <M, T> Page<T> page(List<M> messages, Function<M, T> made, String nextToken) {
        return new Page<>(messages.stream().map(made).toList(), nextToken);
    }

    @Override
    public Iterator<T> iterator() {
        return new Iterator<>() {
            private Page<T> page = pages.apply("", pageSize);
            private int position;

            @Override
            public boolean hasNext() {
                while (position == page.items().size() && !page.nextToken().isEmpty()) {
                    page = pages.apply(page.nextToken(), pageSize);
                    position = 0;
                }
                return position < page.items().size();
            }

            @Override
            public T next() {
                if (!hasNext()) {
                    throw new NoSuchElementException();
                }
                return page.items().get(position++);
            }
        };
    }

    /** All of it, page after page. */
    public Stream<T> stream() {
        return StreamSupport.stream(spliterator(), false);
    }

    /** All of it at once. */
    public List<T> toList() {
        List<T> all = new ArrayList<>();
        forEach(all::add);
        return all;
    }
}
