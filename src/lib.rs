//! brooklet ships an AWS Lambda function's logs to wherever its owner wants them.
