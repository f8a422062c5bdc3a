//! Answers of an object store are read up to a limit, however long they are.

use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService, ReqwestConnector,
};

/// Most bytes of a list or of anything else that is no object: a thousand names of a thousand bytes are less.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Most bytes of what is said about a refusal.
const REFUSAL_BYTES_MAX: usize = 64 << 10;

/// Makes clients that read no more of an object than this, and little of everything else.
#[derive(Debug)]
pub(super) struct Bounded {
    pub(super) object_bytes_max: u64,
}

impl HttpConnector for Bounded {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        let object_bytes_max = usize::try_from(self.object_bytes_max).unwrap_or(usize::MAX);
        Ok(HttpClient::new(Client { client, object_bytes_max }))
    }
}

#[derive(Debug)]
struct Client {
    client: HttpClient,
    object_bytes_max: usize,
}

impl Client {
    fn limit(&self, asks_for_object: bool, status: StatusCode) -> usize {
        match status.is_success() {
            true if asks_for_object => self.object_bytes_max,
            true => ANSWER_BYTES_MAX,
            false => REFUSAL_BYTES_MAX,
        }
    }
}

impl HttpService for Client {
    fn call<'life, 'call>(
        &'life self,
        request: HttpRequest,
    ) -> BoxFuture<'call, Result<HttpResponse, HttpError>>
    where
        'life: 'call,
        Self: 'call,
    {
        Box::pin(async move {
            // What is asked for by a name alone is an object; a list has words behind its question mark.
            let asks_for_object =
                request.method() == Method::GET && request.uri().query().is_none();
            let (head, body) = self.client.execute(request).await?.into_parts();
            let limited = Limited::new(body, self.limit(asks_for_object, head.status));
            let body = limited.map_err(|error| match error.downcast::<HttpError>() {
                Ok(error) => *error,
                Err(error) => HttpError::new_boxed(HttpErrorKind::Decode, error),
            });
            Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body)))
        })
    }
}
