"""Push services: APNs and FCM."""
