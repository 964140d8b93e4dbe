//! How the lease came to whoever holds it, for people. Pure.

use super::elector::{Event, Loss};
use super::record::Record;

/// What this process saw of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    /// Who holds it, or held it last.
    pub holder: Option<Former>,
    /// Who held it before whoever holds it, or held it last.
    pub former: Option<Former>,
    /// Whom we offer it to.
    pub offered_to: Option<String>,
    /// Whose offer we took, while it is ours.
    pub taken_from: Option<String>,
    /// Why we lost it, until it is ours again.
    pub lost: Option<String>,
}

/// A holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// Its node.
    pub node: String,
    /// Whether it was a vipcast: routes of later holders are better than its own.
    pub fenced: bool,
}

impl Story {
    /// The record is this. One without a holder tells nothing new: whoever held it last did.
    pub fn see(&mut self, record: &Record) {
        let Some(node) = record.spec.holder() else { return };
        let holder = Former { node: node.to_owned(), fenced: record.is_of_vipcast() };
        if self.holder.as_ref().is_some_and(|before| before.node != holder.node) {
            self.former = self.holder.take();
        }
        self.holder = Some(holder);
    }

    /// The elector says this.
    pub fn hear(&mut self, event: &Event) {
        match event {
            Event::Offered { to } => self.offered_to = Some(to.clone()),
            Event::TookOver { from } => self.taken_from = Some(from.clone()),
            Event::BecameHolder { .. } => (self.offered_to, self.lost) = (None, None),
            Event::HandingOver { .. } | Event::HandedOver { .. } => self.offered_to = None,
            Event::Lost(loss) => self.lose(loss),
            Event::Twin { .. }
            | Event::ConfigDiffers { .. }
            | Event::NewHolder { .. }
            | Event::Fence(_)
            | Event::GaveWay
            | Event::Released { .. } => {}
        }
    }

    fn lose(&mut self, loss: &Loss) {
        (self.offered_to, self.taken_from, self.lost) = (None, None, Some(loss.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::election::record::Spec;

    #[test]
    fn the_former_holder_is_the_last_other_one() {
        let mut story = Story::default();
        let seen = |story: &mut Story, holder: Option<&str>| {
            let spec = Spec { holder: holder.map(str::to_owned), ..Spec::default() };
            story.see(&Record { spec, ..Record::default() });
            story.former.as_ref().map(|former| former.node.clone())
        };
        assert_eq!(seen(&mut story, None), None);
        assert_eq!(seen(&mut story, Some("n1")), None);
        assert_eq!(seen(&mut story, Some("n1")), None);
        assert_eq!(seen(&mut story, None), None);
        assert_eq!(seen(&mut story, Some("n2")).as_deref(), Some("n1"));
        assert_eq!(seen(&mut story, Some("n1")).as_deref(), Some("n2"));
        assert_eq!(story.former, Some(Former { node: "n2".to_owned(), fenced: false }));
    }

    #[test]
    fn an_offer_ends_with_what_comes_of_it() {
        let (to, from) = (|| "n2".to_owned(), "n3".to_owned());
        let mut story = Story::default();
        let hear = |story: &mut Story, event: &Event| {
            story.hear(event);
            (story.offered_to.clone(), story.taken_from.clone(), story.lost.clone())
        };
        assert_eq!(hear(&mut story, &Event::TookOver { from: from.clone() }), (None, Some(from.clone()), None));
        assert_eq!(hear(&mut story, &Event::BecameHolder { term: 7 }), (None, Some(from.clone()), None));
        assert_eq!(hear(&mut story, &Event::Offered { to: to() }), (Some(to()), Some(from.clone()), None));
        assert_eq!(hear(&mut story, &Event::HandingOver { to: to() }), (None, Some(from), None));
        let lost = Some("no renewal was confirmed within the renew deadline".to_owned());
        assert_eq!(hear(&mut story, &Event::Lost(Loss::Expired)), (None, None, lost));
        assert_eq!(hear(&mut story, &Event::BecameHolder { term: 9 }), (None, None, None));
    }
}
