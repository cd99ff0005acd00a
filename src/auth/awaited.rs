//! Where to go is said, and what ends the wait for an answer: the browser at the listener, the person
//! who pastes what it would have brought, or another process that has signed in.

use std::sync::Arc;

use tokio::time::sleep;
use url::Url;

use super::authorization_response::{self, Parameters, ResponseError};
use super::authorizer::Authorizer;
use super::callback::Received;
use super::error::AuthError;
use super::flow::Flow;
use super::page::Page;
use super::pasted::{self, Pasted};
use super::person::{Invitation, Person};
use super::shared::{Login, Place, Want};
use crate::limits::{LOCK_POLL, MAX_PASTES};
use crate::store::Tab;

/// What ends the wait.
pub(super) enum Event {
    /// An answer.
    Answer(Box<Answer>),
    /// Somebody else has signed in.
    Adopted,
}

/// An authorization response, and who brought it.
pub(super) enum Answer {
    Browser(Received),
    Pasted(Pasted),
}

impl Answer {
    pub fn is_pasted(&self) -> bool {
        matches!(self, Answer::Pasted(_))
    }

    /// What it says.
    pub fn parameters(&self) -> Parameters<'_> {
        match self {
            Answer::Browser(received) => Parameters::of(&received.response, false),
            Answer::Pasted(pasted) => Parameters::of(&pasted.response, pasted.partial),
        }
    }

    /// Shows the browser, if it waits, a page of success.
    pub async fn succeed(self, page: &Page) {
        if let Answer::Browser(received) = self {
            received.succeed(page).await;
        }
    }

    /// Shows the browser, if it waits, a page of failure.
    pub async fn fail(self, page: &Page) {
        if let Answer::Browser(received) = self {
            received.fail(page).await;
        }
    }

    /// Sends the browser on; `false` if there is none.
    pub async fn redirect(self, to: &Url) -> bool {
        let Answer::Browser(received) = self else { return false };
        received.redirect(to).await;
        true
    }
}

impl Authorizer {
    /// Says where to go.
    pub(super) fn invite(&self, flow: &Flow, want: &Want, opened: bool) {
        let host = self.host();
        match want.person.as_ref().filter(|_| !opened) {
            Some(person) => {
                let url = flow.url.as_str();
                person.invite(&Invitation { host: &host, url, complete: None, code: None });
                log::debug!("a person was asked to sign in to {host}");
            }
            None => log::info!("to sign in to {host} open this URL: {}", flow.url),
        }
    }

    pub(super) fn waiting(&self, url: &str, code: Option<&str>, opened: bool) {
        let place = Place { url: url.to_owned(), code: code.map(str::to_owned) };
        let now = Login::Waiting { place, opened };
        self.login.send_if_modified(|login| {
            let same = login.is_same_wait(&now);
            if !same {
                *login = now;
            }
            !same
        });
    }

    /// Waits for an answer. `pastes` counts what the person has pasted in vain.
    pub(super) async fn event(
        &self,
        flow: &mut Flow,
        tab: &Tab,
        want: &Want,
        pastes: &mut usize,
    ) -> Result<Event, AuthError> {
        let store = self.store()?;
        let (server, profile) = self.name();
        let mut seen = self.held().stamp.clone();
        // Where a browser shows it there is nothing to paste.
        let mut person = want.person.clone().filter(|_| !tab.opened);
        let redirect_uri = flow.listener.redirect_uri().to_owned();
        let (state, metadata) = (flow.state.clone(), &flow.terms.metadata);
        let response = flow.listener.response(&state);
        tokio::pin!(response);
        loop {
            tokio::select! {
                received = &mut response => {
                    return Ok(Event::Answer(Box::new(Answer::Browser(received))));
                }
                line = line_of(person.as_ref()) => {
                    let Some(line) = line else {
                        // The listener is still there.
                        person = None;
                        continue;
                    };
                    let wrong = match pasted::read(&line, &redirect_uri, &state) {
                        Err(wrong) => wrong.to_string(),
                        Ok(pasted) => {
                            let answer = Answer::Pasted(pasted);
                            let parameters = answer.parameters();
                            let partial = parameters.partial;
                            let checked =
                                authorization_response::check(parameters, metadata, &self.redactor);
                            match checked {
                                Err(
                                    error @ (ResponseError::WrongIssuer { .. }
                                    | ResponseError::MissingIssuer { .. }),
                                ) => error.to_string(),
                                _ => {
                                    if let (true, Some(person)) = (partial, &person) {
                                        person.say(PARTIAL);
                                    }
                                    return Ok(Event::Answer(Box::new(answer)));
                                }
                            }
                        }
                    };
                    self.wrong_paste(want, pastes, &wrong)?;
                }
                () = sleep(LOCK_POLL) => {
                    let stamp = store.stamp(server, profile);
                    if seen.as_ref() != Some(&stamp) && !want.by_hand {
                        seen = Some(stamp);
                        if self.adopt(want).await? {
                            return Ok(Event::Adopted);
                        }
                    }
                }
            }
        }
    }

    /// Explains what is wrong with what was pasted, and asks again, [`MAX_PASTES`] times.
    pub(super) fn wrong_paste(
        &self,
        want: &Want,
        pastes: &mut usize,
        why: &str,
    ) -> Result<(), AuthError> {
        *pastes += 1;
        if *pastes >= MAX_PASTES {
            return Err(AuthError::Unusable(format!(
                "what was pasted does not fit: {why}; run mcp-tether login {} again",
                self.shown()
            )));
        }
        if let Some(person) = &want.person {
            person.say(&format!("It cannot be used: {why}. Try again."));
        }
        Ok(())
    }
}

/// What is said of a code that came alone.
const PARTIAL: &str = "A code alone does not tell which sign-in and which server it is from. It is tried because you entered it here; without the key that this process has made for this sign-in (PKCE) it is worth nothing.";

async fn line_of(person: Option<&Arc<dyn Person>>) -> Option<String> {
    match person {
        Some(person) => person.line().await,
        None => std::future::pending().await,
    }
}
