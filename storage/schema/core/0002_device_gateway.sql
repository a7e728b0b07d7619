-- By which gateway a device's last accepted update came: evidence for a device that is registered
-- without one.
ALTER TABLE device_state ADD COLUMN gateway_id INTEGER;
