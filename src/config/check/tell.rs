//! Who is asked before a rollout goes on, and who is told what it did.

use super::names::Names;
use super::{Check, all, value};
use crate::config::at::At;
use crate::config::node::Place;
use crate::config::problem::Problem;
use crate::config::raw;
use crate::plan::{Alert, AlertFormat, Severity, Webhook, WebhookKind};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// A smoke test or a load test may take its time.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3_600);
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(24 * 3_600);
const TEN_SECONDS: Duration = Duration::from_secs(10);
const RETRIES: usize = 2;
const THRESHOLD: usize = 1;

impl Check<'_> {
    pub(super) fn webhooks(self, raw: &raw::Rollout) -> Option<Vec<Webhook>> {
        let mut names = Names::new("webhook");
        let list = value(raw.webhooks.as_ref()).into_iter().flatten();
        all(list.enumerate().map(|(index, at)| {
            let hook = at.get()?;
            let name = self.name(&hook.name, at.place);
            if let Some(name) = &name {
                names.declare(name, hook.name.place, index, self);
            }
            let kind = hook.kind.need("type", at.place, self.problems).map(|kind| kind_of(*kind));
            if let Some(kind) = kind.filter(|kind| raw.steps.is_none() && is_for_steps(*kind)) {
                let problem = Problem::new(hook.kind.place, format!("`{}` has no effect without `steps`", kind.name()));
                let label = "nothing ever comes to the point at which it is called";
                self.report(problem.label(label).help("add `steps`, or leave it out"));
            }
            let url = self.web_address(&hook.url, at.place, "a webhook");
            let timeout = self.duration_or("timeout", hook.timeout.as_ref(), TEN_SECONDS, TIMEOUT);
            let interval = self.duration_or("interval", hook.interval.as_ref(), TEN_SECONDS, INTERVAL);
            let retries = self.count("retries", hook.retries.as_ref(), RETRIES, 0..=10);
            let threshold = self.threshold(hook, kind);
            let metadata = self.metadata(hook);
            Some(Webhook {
                name: name?,
                kind: kind?,
                url: url?,
                timeout: timeout?,
                interval: interval?,
                retries: u32::try_from(retries?).expect("10 at most"),
                threshold: u32::try_from(threshold?).expect("1,000 at most"),
                metadata: metadata?,
            })
        }))
    }

    fn threshold(self, hook: &raw::Webhook, kind: Option<WebhookKind>) -> Option<usize> {
        match (&hook.threshold, kind) {
            (Some(at), Some(kind)) if kind != WebhookKind::Rollout => {
                let what = format!("`type: {}`", kind.name());
                self.without_effect([("threshold", Some(at.place))], &what, "for `type: rollout` only");
                None
            }
            (at, _) => self.count("threshold", at.as_ref(), THRESHOLD, 1..=1_000),
        }
    }

    fn metadata(self, hook: &raw::Webhook) -> Option<Vec<(Arc<str>, Arc<str>)>> {
        let Some(at) = &hook.metadata else { return Some(Vec::new()) };
        all(at.get()?.iter().map(|(key, text)| {
            let text = text.need(key, at.place, self.problems)?;
            Some((key.as_str().into(), text.0.as_str().into()))
        }))
    }

    pub(super) fn alerts(self, raw: &raw::Rollout) -> Option<Vec<Alert>> {
        all(value(raw.alerts.as_ref()).into_iter().flatten().map(|at| {
            let (format, key, receiver, what) = match at.get()? {
                raw::Alert::Webhook(receiver) => (AlertFormat::Webhook, "webhook", receiver, "a webhook"),
                raw::Alert::Slack(receiver) => (AlertFormat::Slack, "slack", receiver, "Slack"),
                raw::Alert::Teams(receiver) => (AlertFormat::Teams, "teams", receiver, "Teams"),
            };
            let raw = receiver.need(key, at.place, self.problems)?;
            let url = self.web_address(&raw.url, receiver.place, what);
            let severity = raw.severity.as_ref().map_or(Some(Severity::Info), |at| at.get().map(|s| severity_of(*s)));
            Some(Alert { format, url: url?, severity: severity? })
        }))
    }

    /// An `http` or `https` address with a host.
    pub(super) fn web_address(self, at: &At<String>, owner: Place, what: &str) -> Option<Arc<str>> {
        let text = at.need("url", owner, self.problems)?;
        let uri = text.parse::<http::Uri>().ok();
        let good = uri.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
        });
        if !good {
            let problem = Problem::new(at.place, format!("`{}` is no address for {what}", text.escape_debug()));
            self.report(problem.label("an `http://` or `https://` address"));
        }
        good.then(|| text.as_str().into())
    }
}

fn kind_of(written: raw::WebhookType) -> WebhookKind {
    match written {
        raw::WebhookType::ConfirmRollout => WebhookKind::ConfirmRollout,
        raw::WebhookType::PreRollout => WebhookKind::PreRollout,
        raw::WebhookType::ConfirmTrafficIncrease => WebhookKind::ConfirmTrafficIncrease,
        raw::WebhookType::Rollout => WebhookKind::Rollout,
        raw::WebhookType::ConfirmPromotion => WebhookKind::ConfirmPromotion,
        raw::WebhookType::Promotion => WebhookKind::Promotion,
        raw::WebhookType::PostRollout => WebhookKind::PostRollout,
        raw::WebhookType::Rollback => WebhookKind::Rollback,
        raw::WebhookType::Event => WebhookKind::Event,
    }
}

fn severity_of(written: raw::Severity) -> Severity {
    match written {
        raw::Severity::Info => Severity::Info,
        raw::Severity::Warn => Severity::Warn,
        raw::Severity::Error => Severity::Error,
    }
}

/// Whether it is called at a point that only steps come to.
fn is_for_steps(kind: WebhookKind) -> bool {
    match kind {
        WebhookKind::ConfirmRollout
        | WebhookKind::PreRollout
        | WebhookKind::ConfirmTrafficIncrease
        | WebhookKind::ConfirmPromotion
        | WebhookKind::Promotion => true,
        WebhookKind::Rollout | WebhookKind::PostRollout | WebhookKind::Rollback | WebhookKind::Event => false,
    }
}
