//! The denial of a correctly signed request.

use crate::{
    ACCOUNT_ID,
    counts::Verdict,
    input::Input,
    kms::key_arn,
    request::{Request, Service, form_parameter},
    sqs::queue_name,
    sts::USER_ARN,
    verify::Rejection,
};

/// The message with which IAM denies an operation.
pub(crate) fn denial(request: &Request) -> Rejection {
    let action = format!("{}:{}", request.service.name(), request.info.operation);
    let resource = resource(request).unwrap_or_else(|| "*".to_owned());
    let message = format!(
        "User: {USER_ARN} is not authorized to perform: {action} on resource: {resource} \
         because no identity-based policy allows the {action} action"
    );
    Rejection {
        verdict: Verdict::Denied,
        message,
    }
}

fn resource(request: &Request) -> Option<String> {
    let Request { body, region, .. } = request;
    let input = || Input::parse(body).ok();
    match request.service {
        Service::Sqs => {
            let input = input()?;
            let queue = input
                .optional_text("QueueUrl")
                .or(input.optional_text("QueueName"))?;
            Some(format!(
                "arn:aws:sqs:{region}:{ACCOUNT_ID}:{}",
                queue_name(queue)
            ))
        }
        Service::Kms => Some(key_arn(input()?.optional_text("KeyId")?, region)),
        Service::Sts => form_parameter(body, "RoleArn"),
    }
}
