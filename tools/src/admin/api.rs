//! The admin API's client: signed requests to a gateway's address for operators, JSON in and out.
//!
//! Any gateway of a cluster can answer, so one that can't be reached is passed over. A question is asked
//! of the next one also when its answer is lost. A change is not: it may have been made, and who asks for it
//! decides.

#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt as _, Limited};
use hyper::{Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use riquet_cluster::admin::{Changed, Refusal, SERVICE};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use super::profile::{AdminAccess, Environment, ProfileArgs, Profiles};
use crate::error::Error;
use crate::output;
use crate::s3::{Client, Endpoint, Payload, Signer, UploadBody};
use crate::tls;

/// How long a gateway may take to accept a connection: longer means that its machine is gone.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// How long it may take to answer: a plan asks every disk what is in its slots.
const ANSWER_WAIT: Duration = Duration::from_secs(120);

/// Bytes of an answer, at most: a layout that has as many disks as one can number.
const ANSWER_LIMIT: usize = 64 << 20;

/// What stands in a path as it is; SigV4 encodes everything else.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Which cluster a command is about, and how its answers are shown.
#[derive(Debug, Args)]
pub(crate) struct ApiArgs {
    /// Gateways' addresses for operators; the next one is asked when one can't be reached [env:
    /// RIQUET_ADMIN_URL]
    #[arg(long, global = true, value_name = "URL,...", value_delimiter = ',')]
    admin_url: Vec<String>,
    #[command(flatten)]
    profile: ProfileArgs,
    /// Print JSON: the admin API's answers as they came
    #[arg(long, global = true)]
    pub(super) json: bool,
}

impl ApiArgs {
    /// A client of the cluster's admin API.
    pub(super) fn connect(&self) -> Result<Api, Error> {
        let environment = Environment::of_process();
        let access = Profiles::load(&self.profile, &environment)?.admin(&self.admin_url)?;
        Api::new(&access)
    }
}

/// A client of a cluster's admin API.
pub(super) struct Api {
    gateways: Vec<Gateway>,
    /// The one that answered last.
    present: usize,
}

struct Gateway {
    url: String,
    client: Client,
}

/// An answer, as it came and as it is understood. What a newer gateway says in addition is kept.
#[derive(Debug)]
pub(super) struct Answer<T> {
    /// As it came.
    pub(super) document: Value,
    /// As it is understood.
    pub(super) view: T,
}

/// Why a gateway gave no answer.
enum Silence {
    /// It was asked nothing, as it can't be reached or is not ready.
    Unasked(String),
    /// It was asked, and may have done it.
    Unanswered(String),
}

impl Api {
    pub(super) fn new(access: &AdminAccess) -> Result<Self, Error> {
        let signer = Signer::new(
            &access.access_key_id,
            &access.secret_access_key,
            &access.region,
            Payload::Signed,
        )
        .for_service(SERVICE);
        let gateway = |url: &String| {
            let endpoint = Endpoint::of_url(url)?;
            let is_secure = endpoint.is_secure();
            let client = Client::new(endpoint, signer.clone());
            Ok(Gateway {
                url: url.clone(),
                client: match is_secure {
                    true => client.over(tls::connector(&access.tls)?),
                    false => client,
                },
            })
        };
        let gateways: Result<Vec<Gateway>, Error> = access.urls.iter().map(gateway).collect();
        Ok(Self {
            gateways: gateways?,
            present: 0,
        })
    }

    /// Asks.
    pub(super) async fn get<T: DeserializeOwned>(
        &mut self,
        path: &str,
    ) -> Result<Answer<T>, Error> {
        self.call(Method::GET, path, Bytes::new()).await
    }

    /// Asks for a change that needs no document.
    pub(super) async fn change(
        &mut self,
        method: Method,
        path: &str,
    ) -> Result<Answer<Changed>, Error> {
        self.call(method, path, Bytes::new()).await
    }

    /// Asks for a change.
    pub(super) async fn change_with(
        &mut self,
        method: Method,
        path: &str,
        document: &impl Serialize,
    ) -> Result<Answer<Changed>, Error> {
        let body = serde_json::to_vec(document).expect("requests hold only text and numbers");
        self.call(method, path, body.into()).await
    }

    async fn call<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Answer<T>, Error> {
        let (mut tried, mut refused) = (Vec::new(), None);
        let count = self.gateways.len();
        for turn in 0..count {
            let at = (self.present + turn) % count;
            let gateway = &mut self.gateways[at];
            let (status, text) = match gateway.ask(&method, path, &body).await {
                Ok(answer) => answer,
                Err(Silence::Unanswered(why)) if method != Method::GET => {
                    let url = gateway.url.clone();
                    return Err(Error::AnswerLost { url, why });
                }
                Err(Silence::Unasked(why) | Silence::Unanswered(why)) => {
                    tried.push(format!("{}: {why}", gateway.url));
                    continue;
                }
            };
            self.present = at;
            match understand(&gateway.url, status, &text) {
                // Its site may be cut off from the metadata, and another's not.
                Err(error @ Error::Refused { .. })
                    if status == StatusCode::SERVICE_UNAVAILABLE && method == Method::GET =>
                {
                    refused = Some(error);
                }
                outcome => return outcome,
            }
        }
        Err(refused.unwrap_or_else(|| Error::AdminUnreachable {
            tried: tried.join("; "),
        }))
    }
}

impl Gateway {
    /// The answer's status and text.
    async fn ask(
        &mut self,
        method: &Method,
        path: &str,
        body: &Bytes,
    ) -> Result<(StatusCode, Bytes), Silence> {
        let reached = timeout(CONNECT_WAIT, self.client.reach()).await;
        match reached {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => return Err(Silence::Unasked(failure.to_string())),
            Err(_) => {
                let waited = CONNECT_WAIT.as_secs();
                return Err(Silence::Unasked(format!("no connection within {waited} s")));
            }
        }
        let body = UploadBody::new(body.clone(), 0, body.len() as u64);
        let answer = async {
            let response = self.client.send(method.clone(), path, body).await;
            let response = response.map_err(|failure| failure.to_string())?;
            let status = response.status();
            let text = Limited::new(response.into_body(), ANSWER_LIMIT);
            let text = text.collect().await.map_err(|error| error.to_string())?;
            Ok::<_, String>((status, text.to_bytes()))
        };
        let (status, text) = match timeout(ANSWER_WAIT, answer).await {
            Ok(answer) => answer.map_err(Silence::Unanswered)?,
            Err(_) => {
                let waited = ANSWER_WAIT.as_secs();
                return Err(Silence::Unanswered(format!("nothing within {waited} s")));
            }
        };
        // A gateway that has not found the metadata yet says so before it reads what it is asked.
        let has_begun = status != StatusCode::SERVICE_UNAVAILABLE
            || serde_json::from_slice::<Refusal>(&text).is_ok();
        match has_begun {
            true => Ok((status, text)),
            false => Err(Silence::Unasked("it is not ready yet".to_owned())),
        }
    }
}

impl<T> Answer<T> {
    /// Prints it as it came, or as `text` makes it of what it means.
    pub(super) fn print(&self, as_json: bool, text: impl FnOnce(&T) -> String) {
        match as_json {
            true => println!("{}", output::json(&self.document)),
            false => println!("{}", text(&self.view)),
        }
    }
}

impl Answer<Changed> {
    /// Prints what was done.
    pub(super) fn print_change(&self, as_json: bool) {
        self.print(as_json, |changed| {
            format!("{} (layout {})", changed.what, changed.epoch)
        });
    }
}

/// A name as a part of a path.
pub(super) fn segment(name: &str) -> String {
    utf8_percent_encode(name, ENCODED).to_string()
}

fn understand<T: DeserializeOwned>(
    url: &str,
    status: StatusCode,
    text: &[u8],
) -> Result<Answer<T>, Error> {
    let foreign = |why: String| Error::NotTheApi {
        url: url.to_owned(),
        why,
    };
    if !status.is_success() {
        let refusal: Result<Refusal, _> = serde_json::from_slice(text);
        let Refusal { code, message } = refusal.map_err(|_| foreign(format!("status {status}")))?;
        return Err(Error::Refused { code, message });
    }
    let document: Value =
        serde_json::from_slice(text).map_err(|error| foreign(error.to_string()))?;
    let view = T::deserialize(&document).map_err(|error| foreign(error.to_string()))?;
    Ok(Answer { document, view })
}
