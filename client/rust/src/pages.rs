use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;

use crate::error::Result;

type Page<T> = (Vec<T>, String);
type Fetched<T> = Pin<Box<dyn Future<Output = Result<Page<T>>> + Send>>;
type Fetch<T> = Box<dyn Fn(String, i32) -> Fetched<T> + Send + Sync>;

/// A list that the server gives in pages, asked for as they are needed.
///
/// ```no_run
/// # async fn example(project: xpstore::Project) -> xpstore::Result<()> {
/// let mut experiments = project.experiments();
/// while let Some(experiment) = experiments.next().await? {
///     println!("{}", experiment.name());
/// }
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Pages<T> {
    fetch: Fetch<T>,
    items: VecDeque<T>,
    /// Of the next page, empty for the first; None after the last.
    token: Option<String>,
    page_size: i32,
}

impl<T> Pages<T> {
    pub(crate) fn new(fetch: impl Fn(String, i32) -> Fetched<T> + Send + Sync + 'static) -> Self {
        Self { fetch: Box::new(fetch), items: VecDeque::new(), token: Some(String::new()), page_size: 0 }
    }

    /// Asks for pages of at most so many items; 0, the default: as many as the server thinks fit.
    pub fn page_size(mut self, size: i32) -> Self {
        self.page_size = size;
        self
    }

    /// The next item; None after the last. After an error it can be called again: it asks for the same page.
    pub async fn next(&mut self) -> Result<Option<T>> {
        while self.items.is_empty() {
            let Some(token) = self.token.clone() else {
                return Ok(None);
            };
            let (items, next) = (self.fetch)(token, self.page_size).await?;
            self.items = items.into();
            // A page may be short, or empty: only an empty token is the end.
            self.token = (!next.is_empty()).then_some(next);
        }
        Ok(self.items.pop_front())
    }

    /// All of them at once.
    pub async fn collect(mut self) -> Result<Vec<T>> {
        let mut all = Vec::new();
        while let Some(item) = self.next().await? {
            all.push(item);
        }
        Ok(all)
    }
}

/// Pages of a list: the call, its request, the field of the answer, and what makes a handle of a connection and a message.
macro_rules! pages {
    ($connection:expr, $client:ident.$method:ident, $request:expr, $field:ident, $made:expr) => {{
        let (connection, request) = ($connection.clone(), $request);
        Pages::new(move |token, size| {
            let (connection, mut request) = (connection.clone(), request.clone());
            (request.page_token, request.page_size) = (token, size);
            Box::pin(async move {
                let page = call!(connection, $client.$method, request)?;
                let items = page.$field.into_iter().map(|message| $made(connection.clone(), message)).collect();
                Ok((items, page.next_page_token))
            })
        })
    }};
}
pub(crate) use pages;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn are_read_to_the_empty_token_whatever_they_have() {
        let pages = Pages::new(|token, size| {
            let (items, next) = match token.as_str() {
                "" => (vec![1, size], "a"),
                "a" => (vec![], "b"),
                _ => (vec![3], ""),
            };
            Box::pin(async move { Ok((items, next.to_owned())) })
        });
        assert_eq!(pages.page_size(7).collect().await.unwrap(), [1, 7, 3]);
    }
}
