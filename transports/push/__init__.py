"""Push to phones: Apple's APNs and Google's FCM, over one kind of HTTP/2 connection."""
