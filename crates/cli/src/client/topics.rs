//! Topics, as they are given.
use super::Plan;
use crate::say::{Failure, given};
use tidewire_core::message::Publication;
use tidewire_core::topic::{TopicError, TopicFilter, TopicName};

/// What an option gives as Topic Filters.
pub(crate) fn filters(option: &str, filters: &[String]) -> Result<Vec<TopicFilter>, Failure> {
    let parse = |filter: &String| {
        TopicFilter::new(filter).map_err(|error| {
            Failure::Usage(format!(
                "{option} \"{}\": {error}; as in lights/kitchen, lights/+ (one level) or lights/# (all below)",
                given(filter)
            ))
        })
    };
    filters.iter().map(parse).collect()
}

/// A message to this topic, or to that of the URL, with the properties that were given, and still empty.
pub(crate) fn template(tool: &str, topic: Option<&str>, plan: &Plan) -> Result<Publication, Failure> {
    let Some(topic) = topic.or(plan.topic.as_deref()) else {
        return Err(Failure::Usage(format!("{tool}: where to? say it with -t, as in -t lights/kitchen")));
    };
    let template = Publication::new(name("-t", topic)?, Vec::new());
    let properties = plan.publish.as_properties();
    let template = properties.iter().try_fold(template, Publication::property);
    template.map_err(|error| Failure::Usage(format!("-D publish: {error}")))
}

/// What an option gives as a Topic Name.
pub(crate) fn name(option: &str, topic: &str) -> Result<TopicName, Failure> {
    TopicName::new(topic).map_err(|error| {
        let remedy = match error {
            TopicError::Wildcard => "only subscriptions have + and #: name one topic".to_owned(),
            _ => format!("name one, as in {option} lights/kitchen"),
        };
        Failure::Usage(format!("{option} \"{}\": {error}; {remedy}", given(topic)))
    })
}
