//! What operators say: who may, what is understood, and that the control thread answers.

use super::{Rig, ask, json_of, start, view};
use crate::admin::View;
use crate::rollout::{Phase, Verb, VerbError};
use serde_json::{Value, json};
use std::sync::Arc;

/// Everything that can be said, well put.
const SAID: [(&str, Verb); 8] = [
    ("promote", Verb::Promote { full: false }),
    ("promote?full=true", Verb::Promote { full: true }),
    ("promote?full=false", Verb::Promote { full: false }),
    ("abort", Verb::Abort),
    ("pause", Verb::Pause),
    ("resume", Verb::Resume),
    ("retry", Verb::Retry),
    ("set-weight?weight=12.5", Verb::SetWeight(12.5)),
];

impl Rig {
    /// Says `verb` while the control thread gives `answer` to the one command that may come; the command's verb.
    fn say(&mut self, verb: &str, fields: &str, answer: Result<Value, VerbError>) -> (u16, Value, Verb) {
        let address = self.server.local_addr();
        std::thread::scope(|scope| {
            let path = format!("/api/v1/rollouts/data-tier/{verb}");
            let asked = scope.spawn(move || ask(address, "POST", &path, fields));
            let command = self.commands.blocking_recv().expect("a command");
            assert_eq!(command.rollout, "data-tier");
            command.reply.send(answer).unwrap();
            let (status, _, body) = asked.join().unwrap();
            (status, json_of(&body), command.verb)
        })
    }

    /// Says what no command comes of.
    fn say_in_vain(&mut self, path: &str, fields: &str) -> (u16, String) {
        let (status, _, body) = self.ask("POST", &format!("/api/v1/rollouts/{path}"), fields);
        assert!(self.commands.try_recv().is_err(), "{path}");
        (status, json_of(&body)["error"].as_str().unwrap().to_owned())
    }
}

#[test]
fn each_verb_reaches_the_control_thread_and_its_answer_is_the_new_status() {
    let mut rig = start(view(None));
    for (said, meant) in SAID {
        let (status, body, verb) = rig.say(said, "", Ok(json!({ "phase": "Paused" })));
        assert_eq!((status, body, verb), (200, json!({ "phase": "Paused" }), meant), "{said}");
    }
}

#[test]
fn a_no_says_why() {
    let mut rig = start(view(None));
    let why = "it is paused already; `serin resume` goes on".into();
    let no = VerbError::NotNow { name: "data-tier".into(), phase: Phase::Paused, why };
    let (status, body, _) = rig.say("pause", "", Err(no));
    let error = "rollout `data-tier` is Paused: it is paused already; `serin resume` goes on";
    assert_eq!((status, body), (409, json!({ "error": error })));
    let gone = VerbError::Unknown { name: "data-tier".into(), known: Vec::new() };
    assert_eq!(rig.say("pause", "", Err(gone)).0, 404, "a reload came before the verb");
}

#[test]
fn without_the_right_to_it_no_command_is_sent_and_nothing_is_told() {
    let mut rig = start(view(None));
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "secret\n").unwrap();
    let said = SAID.map(|(said, _)| said);
    let all: Vec<_> = said.into_iter().chain(["dance", "set-weight", "set-weight?weight=101", "pause?x=1"]).collect();
    let paths = all.iter().flat_map(|verb| [format!("data-tier/{verb}"), format!("nobody/{verb}")]);
    for path in paths {
        assert_eq!(rig.say_in_vain(&path, "Origin: http://evil.example\r\n").0, 403, "{path}");
        rig.view.store(Arc::new(view(Some(token.clone()))));
        assert_eq!(rig.say_in_vain(&path, "").0, 401, "{path}");
        assert_eq!(rig.say_in_vain(&path, "Authorization: Bearer wrong\r\n").0, 401, "{path}");
        rig.view.store(Arc::new(view(None)));
    }
    rig.view.store(Arc::new(view(Some(token.clone()))));
    let (_, head, _) = rig.ask("POST", "/api/v1/rollouts/data-tier/abort", "");
    assert!(head.contains("www-authenticate: bearer"), "{head}");
    assert_eq!(rig.say("abort", "Authorization: Bearer secret\r\n", Ok(json!({}))).0, 200);
    std::fs::remove_file(&token).unwrap();
    assert_eq!(rig.say_in_vain("data-tier/abort", "Authorization: Bearer secret\r\n").0, 500);
}

#[test]
fn a_weight_that_is_none_is_refused_with_what_would_be_one() {
    let mut rig = start(view(None));
    for weight in
        ["", "?weight=", "?weight=abc", "?weight=-1", "?weight=100.1", "?weight=NaN", "?weight=inf", "?weight=5%25"]
    {
        let (status, error) = rig.say_in_vain(&format!("data-tier/set-weight{weight}"), "");
        assert_eq!(status, 400, "{weight}");
        assert!(error.contains("from 0 to 100, such as 12.5"), "{error}");
    }
    for (ends, weight) in [("0", 0.0), ("100", 100.0)] {
        assert_eq!(rig.say(&format!("set-weight?weight={ends}"), "", Ok(json!({}))).2, Verb::SetWeight(weight));
    }
}

#[test]
fn a_parameter_that_nobody_reads_is_refused() {
    let mut rig = start(view(None));
    for (said, named) in [
        ("promote?ful=true", "full"),
        ("promote?full=yes", "true or false"),
        ("pause?full=true", "takes none"),
        ("set-weight?weight=1&weight=2", "twice"),
    ] {
        let (status, error) = rig.say_in_vain(&format!("data-tier/{said}"), "");
        assert_eq!(status, 400, "{said}");
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn what_does_not_exist_is_answered_with_what_was_probably_meant() {
    let mut rig = start(view(None));
    let (status, error) = rig.say_in_vain("data-tier/dance", "");
    assert_eq!(status, 404);
    assert!(Verb::NAMES.iter().all(|name| error.contains(name)), "{error}");
    assert!(rig.say_in_vain("data-tier/promot", "").1.contains("did you mean `promote`?"));
    assert_eq!(
        rig.say_in_vain("data-teir/abort", ""),
        (404, "there is no rollout `data-teir`; did you mean `data-tier`?".into())
    );
    rig.view.store(Arc::new(View { rollouts: Vec::new(), ..view(None) }));
    assert_eq!(rig.say_in_vain("x/abort", ""), (404, "there is no rollout `x`: the config has none".into()));
}

#[test]
fn looking_at_a_verb_does_nothing() {
    let mut rig = start(view(None));
    for verb in Verb::NAMES {
        let (status, head, _) = rig.ask("GET", &format!("/api/v1/rollouts/data-tier/{verb}"), "");
        assert_eq!(status, 405, "{verb}");
        assert!(head.contains("allow: post"), "{head}");
    }
    assert!(rig.commands.try_recv().is_err());
    let index = rig.ask("GET", "/", "").2;
    assert!(Verb::NAMES.iter().all(|verb| index.contains(&format!("/NAME/{verb} "))), "{index}");
}
